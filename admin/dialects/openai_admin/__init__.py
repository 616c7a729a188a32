"""The part of OpenAI's administration API that bounds what a project spends: a project is a tenant."""
