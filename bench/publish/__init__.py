"""What publishing's checks, checksums and conditional writes cost beside boto3's own transfer of a file."""
