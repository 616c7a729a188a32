"""What an export has in its columns, as values.  How they are written down (CSV, Parquet) is the gate's matter."""
