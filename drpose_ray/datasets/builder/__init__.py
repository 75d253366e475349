"""Items to records to shards, in one process or over Ray, resumed by the byte."""
