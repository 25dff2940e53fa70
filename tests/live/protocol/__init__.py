"""The protocol's 42 behaviours as one suite in sentences, for every driver.

`drivers.DRIVERS` names them, each with a small factory; what a driver does otherwise, since its gateway cannot do better, it declares
(`differs`), and the tests expect exactly that.
"""
