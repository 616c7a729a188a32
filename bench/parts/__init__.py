"""What is measured, a module each: those that `python -m bench` knows by name have `run(plan) -> Report`; two are
commands of their own.  What several of them need is in the harness beside this folder."""
