"""Load balancers: what the records say is served, checked and drained."""

from neargate.drivers.load_balancers.certificates import Certificates
from neargate.drivers.load_balancers.driver import LoadBalancerDriver
from neargate.drivers.load_balancers.measuring import TrafficMeasuringDriver

__all__ = ["Certificates", "LoadBalancerDriver", "TrafficMeasuringDriver"]
