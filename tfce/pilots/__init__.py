"""The verbs over a queue's pilots: submit, poll, reap, audit, repair ..."""
