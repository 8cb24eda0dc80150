"""A result that is not FHIR goes out in the receiver's own form, one file per format."""
