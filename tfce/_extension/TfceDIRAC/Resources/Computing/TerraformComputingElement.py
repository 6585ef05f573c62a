"""Where DIRAC finds the element for ``CEType = Terraform``; its text and options: ``tfce.Resources.Computing``.

If ``tfce`` is not ours, an element stands here that says so: an ImportError would reach DIRAC's log as a traceback
and "Can't load", without the cure.
"""

from typing import Any

from TfceDIRAC.engine import clash

__all__ = ["TerraformComputingElement"]

if REASON := clash():
    from DIRAC import S_ERROR
    from DIRAC.Resources.Computing.ComputingElement import ComputingElement

    class TerraformComputingElement(ComputingElement):  # type: ignore[misc]
        """Refuses everything, with the reason."""

        def refuse(self, *_args: Any, **_kwargs: Any) -> Any:
            """S_ERROR with the reason."""
            return S_ERROR(REASON)

        def isValid(self) -> Any:
            """Takes the queue out of service. DIRAC drops this answer, so the reason goes to the log here."""
            self.log.error("Queue cannot be used", REASON)
            return self.refuse()

        submitJob = getJobStatus = getCEStatus = killJob = getJobOutput = getJobLog = cleanupPilots = refuse

else:
    from tfce.Resources.Computing.TerraformComputingElement import TerraformComputingElement
