"""Every judgement (Sec. 4): of DrPose, of the reward, by whom."""
