"""What watches the cluster and what runs in it: metrics, alerts, dashboards, logs, traces."""
