"""What each method and path of a model server is: a literal table for each server, and the lookup over those chosen."""
