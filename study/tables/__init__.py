"""Tables of results, one kind of table per file.

Every module here except `make`, `cells` and `statistics` is a kind that `search_spaces.study.Table`
can name. It has a function `make(results, **options) -> pandas.DataFrame`, which returns every cell
as text and every column name in words, or an empty frame if no trial of the run belongs to the
table. Imports neither Ray nor torch.
"""
