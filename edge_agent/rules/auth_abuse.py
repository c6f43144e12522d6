"""auth-abuse: guessing of credentials. It never refuses a call; it strikes the source."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="auth-abuse",
    family="scanning",
    clauses=(6,),
    directions={"X": Mode.ENFORCE, "T": Mode.MONITOR},
    finds="loops of 401, 403 and 407, and user names that keep changing",
    answer="a strike",
    built=False,
)
