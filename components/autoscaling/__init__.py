"""What tells the autoscaler how many requests a second each serving pod gets."""
