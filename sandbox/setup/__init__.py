"""What `./pinflow` installs before anything else can run. Standard library only, Python 3.9 or newer."""
