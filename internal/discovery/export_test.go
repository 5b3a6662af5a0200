package discovery

var Lifetime = lifetime
