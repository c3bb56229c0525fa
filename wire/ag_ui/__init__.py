"""AG-UI 1.0: the protocol that agents and the applications of their users speak."""
