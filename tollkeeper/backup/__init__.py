"""What a deployment keeps, as one file: written, checked, brought back.  What Redis has is made anew from Postgres."""
