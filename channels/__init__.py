"""Adapters to providers, one file each: a parcel in, what became of it out. They decide nothing and keep nothing."""
