"""placeholder"""
def write_card(settings, base, report):
    pass
