"""The network of a node made from packages: who may reach whom, by the NetworkPolicies."""
