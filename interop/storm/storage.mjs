// oidc-provider's development storage forgets what was not used for long once it has 1000 entries, which
// 200 users fill several times over: their grants would be lost at the provider and not by us. Loaded with
// `node --import`, this takes the bound away for a process that does not live long.
import LRU from '../op/node_modules/oidc-provider/lib/helpers/lru.js';

const maps = new WeakMap();
const entries = (lru) => {
  if (!maps.has(lru)) maps.set(lru, new Map());
  return maps.get(lru);
};
const live = (lru, key) => {
  const entry = entries(lru).get(key);
  if (entry?.expiry <= Date.now()) {
    entries(lru).delete(key);
    return undefined;
  }
  return entry;
};

Object.assign(LRU.prototype, {
  get(key) { return live(this, key)?.value; },
  has(key) { return live(this, key) !== undefined; },
  set(key, value, { maxAge = Infinity } = {}) {
    entries(this).set(key, { value, expiry: Date.now() + maxAge });
    return this;
  },
  delete(key) { return entries(this).delete(key); },
  clear() { entries(this).clear(); },
});
