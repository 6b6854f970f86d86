package gateway

import "strings"

// price is what a model costs, in US dollars per million tokens.
type price struct {
	input, output, cacheRead float64
	// above is the length of a prompt, cached parts included, from which on a whole request costs long
	// times as much; 0 means that there is none.
	above int64
	long  float64
}

// cacheWrite and cacheHour are what writing to the cache costs for five minutes and for an hour, as
// multiples of the input.
const (
	cacheWrite = 1.25
	cacheHour  = 2
)

// prices are the list prices by model, as of 2026-10-24, from
// https://platform.claude.com/docs/en/about-claude/pricing ("Model pricing" and "Long context pricing"; 1M
// tokens, standard tier). Discounts (batches) and surcharges (fast mode, regions, web searches) are not in
// them. With a subscription they say what the same use would cost by the list.
//
// A name is that of a model without its date. A model that is not here costs 0, and its tokens are counted
// all the same: no price is better than a wrong one.
func prices() map[string]price {
	return map[string]price{
		"claude-fable-5-1": {input: 10, output: 50, cacheRead: 0.25},
		"claude-fable-5":   {input: 10, output: 50, cacheRead: 1},

		"claude-opus-5-5": {input: 4, output: 20, cacheRead: 0.20},
		"claude-opus-5":   {input: 5, output: 25, cacheRead: 0.50},
		"claude-opus-4-8": {input: 5, output: 25, cacheRead: 0.50},
		"claude-opus-4-7": {input: 5, output: 25, cacheRead: 0.50},
		"claude-opus-4-6": {input: 5, output: 25, cacheRead: 0.50},
		"claude-opus-4-5": {input: 5, output: 25, cacheRead: 0.50},
		"claude-opus-4-1": {input: 15, output: 75, cacheRead: 1.50},
		"claude-opus-4":   {input: 15, output: 75, cacheRead: 1.50},

		"claude-sonnet-5-5": {input: 2, output: 10, cacheRead: 0.10},
		"claude-sonnet-5":   {input: 2, output: 10, cacheRead: 0.20},
		"claude-sonnet-4-6": {input: 3, output: 15, cacheRead: 0.30},
		"claude-sonnet-4-5": {input: 3, output: 15, cacheRead: 0.30},
		"claude-sonnet-4":   {input: 3, output: 15, cacheRead: 0.30},

		"claude-haiku-5-5": {input: 0.10, output: 0.50, cacheRead: 0.01, above: 100_000, long: 5},
		"claude-haiku-4-5": {input: 1, output: 5, cacheRead: 0.10},
	}
}

// priceOf finds a model's price. The name may have a date (claude-haiku-4-5-20251001) or an option behind it
// (claude-opus-5[1m]).
func priceOf(model string) (price, bool) {
	model, _, _ = strings.Cut(model, "[")
	if i := strings.LastIndexByte(model, '-'); i >= 0 && len(model)-i == len("-20060102") && strings.Trim(model[i+1:], "0123456789") == "" {
		model = model[:i]
	}
	p, ok := prices()[model]
	return p, ok
}

// cost is what a message costs in US dollars; 0 if the model's price is not known.
func cost(m *message) float64 {
	p, ok := priceOf(m.model)
	if !ok {
		return 0
	}
	write := float64(m.cacheWrite-m.cacheHour)*cacheWrite + float64(m.cacheHour)*cacheHour
	total := (float64(m.input)+write)*p.input + float64(m.cacheRead)*p.cacheRead + float64(m.output)*p.output
	if p.above > 0 && m.input+m.cacheRead+m.cacheWrite > p.above {
		total *= p.long
	}
	return total / 1e6
}
