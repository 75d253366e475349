"""Algorithm 1 over workers of Ray Train, with rollouts and rewards in processes of their own."""
