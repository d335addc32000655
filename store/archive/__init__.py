"""The archive: logs and what they did, as Parquet files by day, and questions to them (docs/adr/0008-archive.md)."""
