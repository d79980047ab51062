package desired

import (
	"cmp"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/remora-ray/remora/api/rayv1"
)

const gcsStorage = "gcs-storage"

func rocksDB(c *rayv1.RayCluster) bool {
	o := c.Spec.GcsFaultToleranceOptions
	return o != nil && o.Backend == rayv1.BackendRocksDB
}

// redisParams has Ray read who it is to Redis from its environment.
func redisParams(p map[string]string, c *rayv1.RayCluster, g group) {
	o := c.Spec.GcsFaultToleranceOptions
	if o == nil || g.nodeType != Head {
		return
	}
	if o.RedisUsername != nil {
		p["redis-username"] = "$REDIS_USERNAME"
	}
	if o.RedisPassword != nil {
		p["redis-password"] = "$REDIS_PASSWORD"
	}
}

// setStorage tells the head where its state is.
func setStorage(pod *corev1.Pod, c *rayv1.RayCluster) {
	annotate(pod, rayv1.AnnotationFTEnabled, strconv.FormatBool(c.KeepsState()))
	if !c.KeepsState() {
		return
	}
	ray := &pod.Spec.Containers[0]
	o := c.Spec.GcsFaultToleranceOptions
	if rocksDB(c) {
		claim, subPath := c.Name+"-gcs-pvc", ""
		if o.Storage != nil {
			subPath = o.Storage.SubPath
			if o.Storage.ClaimName != "" {
				claim = o.Storage.ClaimName
			}
		}
		setEnv(ray, corev1.EnvVar{Name: "RAY_gcs_storage", Value: "rocksdb"}, corev1.EnvVar{Name: "RAY_gcs_storage_path", Value: "/data/gcs"})
		addVolume(pod, corev1.Volume{Name: gcsStorage, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
		}})
		ray.VolumeMounts = append(ray.VolumeMounts, corev1.VolumeMount{Name: gcsStorage, MountPath: "/data/gcs", SubPath: subPath})
		return
	}
	name := cmp.Or(c.Annotations[rayv1.AnnotationStorageName], string(c.UID))
	if o != nil && o.ExternalStorageNamespace != "" {
		name = o.ExternalStorageNamespace
	}
	annotate(pod, rayv1.AnnotationStorageName, name)
	addEnv(ray, corev1.EnvVar{Name: "RAY_external_storage_namespace", Value: name})
	if o != nil {
		setEnv(ray, corev1.EnvVar{Name: "RAY_REDIS_ADDRESS", Value: o.RedisAddress})
		setCredential(ray, "REDIS_USERNAME", o.RedisUsername)
		setCredential(ray, "REDIS_PASSWORD", o.RedisPassword)
	} else if password, ok := c.Spec.HeadGroupSpec.RayStartParams["redis-password"]; ok {
		addEnv(ray, corev1.EnvVar{Name: "REDIS_PASSWORD", Value: password}) // read when Redis is cleaned
	}
}

func setCredential(ray *corev1.Container, name string, credential *rayv1.RedisCredential) {
	if credential != nil {
		setEnv(ray, corev1.EnvVar{Name: name, Value: credential.Value, ValueFrom: credential.ValueFrom.DeepCopy()})
	}
}

// gcsVolume is the claim of the rocksdb backend; nil where none is to be made.
func gcsVolume(c *rayv1.RayCluster) *corev1.PersistentVolumeClaim {
	if !rocksDB(c) {
		return nil
	}
	st := c.Spec.GcsFaultToleranceOptions.Storage.DeepCopy()
	if st == nil {
		st = &rayv1.GcsStorage{}
	}
	if st.ClaimName != "" {
		return nil
	}
	size := resource.MustParse("1Gi")
	if q, err := resource.ParseQuantity(st.Size); err == nil {
		size = q
	}
	if len(st.AccessModes) == 0 {
		st.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	}
	claim := &corev1.PersistentVolumeClaim{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: meta(c, c.Name+"-gcs-pvc", map[string]string{LabelCluster: c.Name}),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      st.AccessModes,
			StorageClassName: st.StorageClassName,
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
		},
	}
	if st.DeletionPolicy == "Retain" {
		claim.OwnerReferences = nil
	}
	return claim
}
