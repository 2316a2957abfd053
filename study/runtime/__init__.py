"""All that touches Ray: the cluster, the trials, their progress and their storage."""
