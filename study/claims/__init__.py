"""Published claims and their tests, one kind of claim per file.

Every module here except `evidence`, `judge` and `verdict` is a kind that
`search_spaces.study.Claim` can name. It has a pure function
`verdict(evidence, **options) -> Verdict`. Imports neither Ray nor torch.
"""
