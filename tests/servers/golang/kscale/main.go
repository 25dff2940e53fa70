// kscale asks KEDA's own kafka scaler (github.com/kedacore/keda/v2/pkg/scalers) what it would tell of a consumer group.
//
// One request a line on the standard input, one answer a line on the standard output, both JSON:
//
//	{"scaler": "a", "metadata": {"bootstrapServers": "127.0.0.1:9092", "consumerGroup": "g", "topic": "t", …}, "auth": {…}}
//	{"value": 12, "target": 10, "active": true, "metric": "s0-kafka-t"}   or   {"error": "…"}
//
// The first request with a name makes the scaler, later ones ask the same one again (it remembers offsets, for excludePersistentLag);
// {"scaler": "a", "close": true} forgets it and is answered with {}.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers"
	"github.com/kedacore/keda/v2/pkg/scalers/scalersconfig"
	v2 "k8s.io/api/autoscaling/v2"
)

type request struct {
	Scaler   string            `json:"scaler"`
	Metadata map[string]string `json:"metadata"`
	Auth     map[string]string `json:"auth"`
	Close    bool              `json:"close"`
}

type answer struct {
	Value  *float64 `json:"value,omitempty"`
	Target *float64 `json:"target,omitempty"`
	Active *bool    `json:"active,omitempty"`
	Metric string   `json:"metric,omitempty"`
	Error  string   `json:"error,omitempty"`
}

func main() {
	ctx, known := context.Background(), map[string]scalers.Scaler{}
	lines, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			say(out, answer{Error: err.Error()})
			continue
		}
		say(out, answered(ctx, known, asked))
	}
}

func say(out *json.Encoder, told answer) {
	if err := out.Encode(told); err != nil {
		os.Exit(1) // nobody listens any more
	}
}

func answered(ctx context.Context, known map[string]scalers.Scaler, asked request) answer {
	scaler, there := known[asked.Scaler]
	if asked.Close {
		if there {
			delete(known, asked.Scaler)
			scaler.Close(ctx)
		}
		return answer{}
	}
	if !there {
		made, err := scalers.NewKafkaScaler(ctx, &scalersconfig.ScalerConfig{
			ScalableObjectName: "probe", ScalableObjectNamespace: "default", ScalableObjectType: "ScaledObject",
			TriggerType: "kafka", TriggerMetadata: asked.Metadata, ResolvedEnv: map[string]string{}, AuthParams: asked.Auth,
			GlobalHTTPTimeout: 3 * time.Second, MetricType: v2.AverageValueMetricType,
		})
		if err != nil {
			return answer{Error: err.Error()}
		}
		scaler, known[asked.Scaler] = made, made
	}
	return read(ctx, scaler)
}

func read(ctx context.Context, scaler scalers.Scaler) answer {
	spec := scaler.GetMetricSpecForScaling(ctx)[0].External
	values, active, err := scaler.GetMetricsAndActivity(ctx, spec.Metric.Name)
	if err != nil {
		return answer{Error: err.Error()}
	}
	target := spec.Target.AverageValue.AsApproximateFloat64()
	told := answer{Target: &target, Active: &active, Metric: spec.Metric.Name}
	for _, one := range values {
		value := one.Value.AsApproximateFloat64()
		told.Value = &value
	}
	return told
}
