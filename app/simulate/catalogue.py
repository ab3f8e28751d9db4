"""Every fault and every narrow escape of a simulated day."""

from app.simulate.escapes import ESCAPES
from app.simulate.faults import Fault
from app.simulate.owed import OWED
from app.simulate.wrong import WRONG

CATALOGUE: tuple[Fault, ...] = (*OWED, *WRONG, *ESCAPES)
