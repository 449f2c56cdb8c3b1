"""The edge: CloudFront with its Web ACL and headers, and the bucket of the front end behind it."""
