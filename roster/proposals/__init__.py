"""Proposals for the roster: who could fill which seat, and why. Plain Python without Django.

`problem` is what goes in, `solve` answers, `score` says what an answer costs, `explain` why it is so.
`solver_cpsat` answers with OR-tools where that is installed. A proposal is a draft: a person
applies it, after a look at what it would change.
"""
