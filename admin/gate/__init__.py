"""What every request passes before a surface sees it: small ASGI middlewares, one job each.

From the outside in (stack.py puts them together):

1. answers.py         the id under which a request is logged and answered; answers are counted, and not cached
2. (by prefix)        the surface that the request is for
3. authentication.py  who is asking, by which credential, and whether they may at all
4. query.py           the query: text, and each name once
5. body.py            the body's type, size and pace; nothing of it is read before
6. deadline.py        an answer in time, also if the surface fails

What a middleware refuses is a Refusal, which the surface renders.  No resource and no command is known here.
"""
