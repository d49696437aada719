################################################################################
#
# python-pyalsaaudio
#
################################################################################

PYTHON_PYALSAAUDIO_VERSION = 0.11.0
PYTHON_PYALSAAUDIO_SITE = $(call github,larsimmisch,pyalsaaudio,$(PYTHON_PYALSAAUDIO_VERSION))
PYTHON_PYALSAAUDIO_SETUP_TYPE = setuptools
PYTHON_PYALSAAUDIO_LICENSE = PSF-2.0
PYTHON_PYALSAAUDIO_LICENSE_FILES = LICENSE
PYTHON_PYALSAAUDIO_DEPENDENCIES = alsa-lib

$(eval $(python-package))
