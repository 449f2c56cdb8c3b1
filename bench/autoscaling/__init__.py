"""How the number of serving pods follows the traffic, by simulation of Kubernetes' autoscaler."""
