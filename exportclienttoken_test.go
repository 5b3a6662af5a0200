package signon

// LateFlight is a flight of somebody who saw that there is no token before the last one
// ended.
func LateFlight(c *Client, scope string) { c.fetchClientToken(scope, nil) }
