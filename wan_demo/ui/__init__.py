"""The page: widgets become a Request, events become what is shown."""
