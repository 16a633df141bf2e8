"""For every run of pytest, whatever part of the project it is asked for."""

import os

# The workers of xdist use every core already. Here, before torch is loaded, and as a variable, which the kernels that nbval
# starts inherit: with two threads each, two kernels on two cores wait for each other and take ten times as long.
os.environ["OMP_NUM_THREADS"] = "1"
