// minikcm runs the real controllers of Kubernetes that these tests need, in one process: a tenth of kube-controller-manager's packages,
// so that it compiles in seconds once kube-apiserver has been compiled.
//
// Defaults are kube-controller-manager's own, except that nothing elects a leader: there is one.
package main

import (
	"context"
	"flag"
	"log"
	"os/signal"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/disruption"
	"k8s.io/kubernetes/pkg/controller/endpointslice"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/job"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	"k8s.io/kubernetes/pkg/controller/replicaset"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
	"k8s.io/kubernetes/pkg/controller/ttlafterfinished"
	resourceclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
	"k8s.io/metrics/pkg/client/custom_metrics"
	"k8s.io/metrics/pkg/client/external_metrics"
)

var (
	kubeconfig    = flag.String("kubeconfig", "", "file that says where the API server is and who we are")
	syncPeriod    = flag.Duration("horizontal-pod-autoscaler-sync-period", 15*time.Second, "time between two looks of the autoscaler")
	stabilization = flag.Duration("horizontal-pod-autoscaler-downscale-stabilization", 5*time.Minute, "how long the autoscaler remembers a higher wish")
)

// cluster is what every controller is made of.
type cluster struct {
	ctx       context.Context
	config    *rest.Config
	client    kubernetes.Interface
	metadata  metadata.Interface
	mapper    *restmapper.DeferredDiscoveryRESTMapper
	scales    scale.ScalesGetter
	informers informers.SharedInformerFactory
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func connect(ctx context.Context) cluster {
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	must(err)
	config.QPS, config.Burst = 200, 400
	client := kubernetes.NewForConfigOrDie(config)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	scales, err := scale.NewForConfig(config, mapper, dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(client.Discovery()))
	must(err)
	return cluster{ctx, config, client, metadata.NewForConfigOrDie(config), mapper, scales, informers.NewSharedInformerFactory(client, 0)}
}

// workloads: what makes pods of Deployments and Jobs, and what removes finished Jobs in time.
func (c cluster) workloads() []func() {
	apps, pods, jobs := c.informers.Apps().V1(), c.informers.Core().V1().Pods(), c.informers.Batch().V1().Jobs()
	replicas := replicaset.NewReplicaSetController(c.ctx, apps.ReplicaSets(), pods, c.client, replicaset.BurstReplicas)
	deployments, err := deployment.NewDeploymentController(c.ctx, apps.Deployments(), apps.ReplicaSets(), pods, c.client)
	must(err)
	runs, err := job.NewController(c.ctx, c.client, pods, jobs, nil, nil)
	must(err)
	finished := ttlafterfinished.New(c.ctx, jobs, c.client)
	return []func(){
		func() { replicas.Run(c.ctx, 5) },
		func() { deployments.Run(c.ctx, 5) },
		func() { runs.Run(c.ctx, 5) },
		func() { finished.Run(c.ctx, 5) },
	}
}

// autoscaling: the HorizontalPodAutoscaler with kube-controller-manager's own tolerance, CPU initialization and initial readiness.
func (c cluster) autoscaling() []func() {
	apis := custom_metrics.NewAvailableAPIsGetter(c.client.Discovery())
	seen := metrics.NewRESTMetricsClient(
		resourceclient.NewForConfigOrDie(c.config), custom_metrics.NewForConfig(c.config, c.mapper, apis), external_metrics.NewForConfigOrDie(c.config))
	scaler := podautoscaler.NewHorizontalController(c.ctx, c.client.CoreV1(), c.scales, c.client.AutoscalingV2(), c.mapper, seen,
		c.informers.Autoscaling().V2().HorizontalPodAutoscalers(), c.informers.Core().V1().Pods(),
		*syncPeriod, *stabilization, 0.1, 5*time.Minute, 30*time.Second)
	return []func(){
		func() { scaler.Run(c.ctx, 5) },
		func() { custom_metrics.PeriodicallyInvalidate(apis, 15*time.Second, c.ctx.Done()) },
	}
}

// surroundings: default service accounts, the authority that every pod trusts, endpoints of Services, and the state of PodDisruptionBudgets.
func (c cluster) surroundings() []func() {
	core, apps := c.informers.Core().V1(), c.informers.Apps().V1()
	accounts, err := serviceaccount.NewServiceAccountsController(
		klog.FromContext(c.ctx), core.ServiceAccounts(), core.Namespaces(), c.client, serviceaccount.DefaultServiceAccountsControllerOptions())
	must(err)
	must(rest.LoadTLSFiles(c.config))
	authority, err := rootcacertpublisher.NewPublisher(core.ConfigMaps(), core.Namespaces(), c.client, c.config.CAData)
	must(err)
	endpoints := endpointslice.NewController(
		c.ctx, core.Pods(), core.Services(), core.Nodes(), c.informers.Discovery().V1().EndpointSlices(), 100, c.client, 0)
	budgets := disruption.NewDisruptionController(c.ctx, core.Pods(), c.informers.Policy().V1().PodDisruptionBudgets(), core.ReplicationControllers(),
		apps.ReplicaSets(), apps.Deployments(), apps.StatefulSets(), c.client, c.mapper, c.scales, c.client.Discovery())
	return []func(){
		func() { accounts.Run(c.ctx, 1) },
		func() { authority.Run(c.ctx, 1) },
		func() { endpoints.Run(c.ctx, 5) },
		func() { budgets.Run(c.ctx) },
	}
}

// removal: what is owned goes with its owner, and what is inside a namespace goes with the namespace.
func (c cluster) removal(started <-chan struct{}) []func() {
	fast := rest.CopyConfig(c.config)
	fast.QPS, fast.Burst = 2000, 4000 // a namespace is emptied by many small calls
	client, found := kubernetes.NewForConfigOrDie(fast), metadata.NewForConfigOrDie(fast)
	emptied := namespace.NewNamespaceController(c.ctx, client, found, client.Discovery().ServerPreferredNamespacedResources,
		c.informers.Core().V1().Namespaces(), 5*time.Minute, corev1.FinalizerKubernetes)
	both := informerfactory.NewInformerFactory(c.informers, metadatainformer.NewSharedInformerFactory(c.metadata, 0))
	collector, err := garbagecollector.NewGarbageCollector(
		c.ctx, client, found, c.mapper, garbagecollector.DefaultIgnoredResources(), both, started)
	must(err)
	return []func(){
		func() { emptied.Run(c.ctx, 10) },
		func() { collector.Run(c.ctx, 20, 30*time.Second) },
		func() { collector.Sync(c.ctx, client.Discovery(), 10*time.Second) }, // also looks for new kinds, and resets the mapper
	}
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	c, started := connect(ctx), make(chan struct{})
	var loops []func()
	for _, some := range [][]func(){c.workloads(), c.autoscaling(), c.surroundings(), c.removal(started)} {
		loops = append(loops, some...)
	}
	c.informers.Start(ctx.Done())
	close(started)
	for _, loop := range loops {
		go loop()
	}
	<-ctx.Done()
}
