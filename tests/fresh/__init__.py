"""The README's commands on machines that have nothing but Python and pip."""
