"""What only the control plane keeps in Postgres: adapters of the ports in admin/access and admin/commands.  No HTTP."""
