"""The figures of a study: one kind of figure per module, in one shared style.

A study names a kind by its module (`search_spaces.study.Figure.kind`). The module's function
`draw(results, title, **options)` returns its figures by the suffix of their file names: usually
one, whose suffix is empty. Imports neither Ray nor torch.
"""
