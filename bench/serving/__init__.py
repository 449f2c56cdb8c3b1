"""The serving container beside other Python model servers: the same model, machine, requests and run."""
