package model_test

// A token is a pair as a provider issues it: which login it came from, and how often
// it was refreshed since. The zero token is none.
type token struct{ family, generation int8 }

// The bounds of what is walked: two logins, and three generations of each pair.
const (
	maxActors      = 3
	maxFamilies    = 2
	maxGenerations = 3
)

// A state is all that counts at one moment. It is a map's key, so that each is looked
// at once, however many ways lead to it.
type state struct {
	row      token // what the store holds
	lease    int8  // who has it, from 1; 0: nobody; paused
	logins   int8  // how many have come
	out      int8  // the newest login that has signed out
	departed token // what the logout has deleted and not revoked yet
	families [maxFamilies + 1]family
	actors   [maxActors]actor
	left     budget
	breach   breach
}

const paused = -1

// A family is what the provider knows of one login's tokens.
type family struct {
	current int8 // the generation that is good
	stale   int8 // up to this generation, access tokens are to be refreshed ...
	dead    int8 // ... and have expired
	revoked bool
	why     cause // what may have made the provider revoke it

	// sent is how often each generation was sent to the provider without an excuse:
	// the answer was not lost, the sender has not crashed, and its lease had not run
	// out.
	sent [maxGenerations + 1]int8
}

// An actor is a process with its one flight for the owner.
type actor struct {
	at      place
	jobs    int8  // how often it will still ask for a token
	oldest  int8  // the oldest login whose token may be served to who asks now
	current token // what it has read, or owes
	next    token // what the provider has answered
	tries   int8

	owedOld, owedNext token // what the store has not taken yet
	open              token // the generation that it sent and whose sending still counts
	ranOut            bool  // its lease was taken from it
}

// A place is where an actor's flight stands: before the step of that name.
type place int8

const (
	idle place = iota
	read
	settle
	lease
	call
	pause
	lookAgain // after invalid_grant
	drop
	write
	abandon
	crashed
)

// A cause is what makes a provider revoke a family that is not the store's fault.
type cause int8

const (
	lostAnswer cause = 1 << iota
	crash
	runOut
	signedOut
	consentWithdrawn
)

// A budget is how often what nobody can help may still happen: mishaps are crashes,
// lost requests and answers, leases that run out under a slow holder, a store that does
// not take the new pair, and consent withdrawn at the provider, in any mixture.
type budget struct{ mishaps, ageings, logouts, logins int8 }

// A breach is an invariant that does not hold.
type breach int8

const (
	none breach = iota
	sentTwice
	cameBack
	overwritten
	revokedForNothing
	spentServed
	spentSent
	expiredServed
	strangeServed
	lostLogin
	orphan
	stuck
	leaseOfNothing
)

func (b breach) String() string {
	return [...]string{
		none:              "",
		sentTwice:         "a generation was sent to the provider twice without a cause",
		cameBack:          "a row came back after the logout",
		overwritten:       "an older refresh overwrote a second login",
		revokedForNothing: "a family was revoked without a cause",
		spentServed:       "a process served the spent token while it owed the new one",
		spentSent:         "a process sent the spent token while it owed the new one",
		expiredServed:     "an expired token was served",
		strangeServed:     "a token was served to somebody who asked after its end",
		lostLogin:         "a login was ended that the provider had not ended",
		orphan:            "nobody has the tokens any more after the logout, but the provider still honours them",
		stuck:             "somebody waits for ever",
		leaseOfNothing:    "there is a lease without a row",
	}[b]
}

// rules say how a refresh is protected. The zero value is how it is done; each field
// takes one protection out.
type rules struct {
	grace bool // the provider takes the last token once more, and answers the same pair

	noLease       bool // each process refreshes for itself
	blindLease    bool // the lease is not bound to the token that was read
	endlessLease  bool // it never runs out
	looseRelease  bool // who fails pauses whoever has the lease
	blindUpdate   bool // UpdateToken overwrites whatever is there
	updateCreates bool // and creates what is not there
	blindDrop     bool // invalid_grant deletes whatever is there
	forgetsOwed   bool // a pair that the store did not take is forgotten
	keepsOrphan   bool // what comes after a logout is not revoked
	servesExpired bool // who does not get the lease serves what it has
	refreshesOwed bool // a pair that is owed is refreshed under its predecessor's lease
}
