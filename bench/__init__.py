"""`make bench`: what Tollkeeper costs, each measure beside its baseline in the same run.  Nothing here is shipped."""
