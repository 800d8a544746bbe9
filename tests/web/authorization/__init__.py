"""The pages on which a user lets an app act for them."""
