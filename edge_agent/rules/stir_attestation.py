"""stir-attestation: is the attested level enough? It never takes the level for a verdict on the call."""

from edge_agent.rules._shape import Mode, Rule

RULE = Rule(
    name="stir-attestation",
    family="stir",
    clauses=(9, 17),
    directions={"T": Mode.ENFORCE, "U": Mode.ENFORCE},
    finds="an attestation below the level that is asked for",
    answer="403, or verstat",
    built=False,
)
