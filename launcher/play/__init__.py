"""The playground: a page to try a model with, and the small server behind it.

The browser asks the server, and the server asks the model:

    page  ->  server  ->  answers  ->  asking  ->  a container, or an endpoint

1. `data` knows titles, genres and the users' own ratings, from MovieLens files.
2. `asking` sends questions to a model and gets its answers.
3. `answers` makes questions of what the page asks, and words of the contributions.
4. `server` speaks HTTP with this machine's browser alone.

The page is in ``page/``: HTML, CSS and JavaScript as the browser gets them.
"""
