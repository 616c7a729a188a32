"""Who may use the control plane, and for what: admin tokens, the principals they stand for, and permissions."""
