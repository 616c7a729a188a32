"""Work that goes on after its request was answered (responses in the background, batches): charged once, under the row
of the request that began it, when somebody reads that it is finished."""
