"""`tollkeeper doctor`: looks at a deployment from where its sidecar runs, and says what is wrong and what to do."""
