"""What an application is made of: messages and folds, nothing that moves. A domain module imports from here alone."""

from runtime.domain.api import Identity, anyone, expose, owner, role, send, signed_in
from runtime.domain.app import App
from runtime.domain.measures import Count, Max, Mean, Measures, Min, Sum
from runtime.domain.messages import Command, Event
from runtime.domain.parts import After, Aggregation, Decider, End, Projection, Saga
from runtime.domain.upcasts import Upcast
from runtime.domain.windows import Window
from runtime.errors import Rejected

__all__ = [
    "After",
    "Aggregation",
    "App",
    "Command",
    "Count",
    "Decider",
    "End",
    "Event",
    "Identity",
    "Max",
    "Mean",
    "Measures",
    "Min",
    "Projection",
    "Rejected",
    "Saga",
    "Sum",
    "Upcast",
    "Window",
    "anyone",
    "expose",
    "owner",
    "role",
    "send",
    "signed_in",
]
